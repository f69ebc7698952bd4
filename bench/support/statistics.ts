/** The value below which this share of the values lies, interpolated between its neighbours. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  const position = share * (sorted.length - 1)
  const index = Math.floor(position)
  const low = sorted[index] ?? Number.NaN
  const high = sorted[index + 1] ?? low
  return low + (high - low) * (position - index)
}

/** The middle value. */
export const median = (values: readonly number[]) => quantile(values, 0.5)
