/** A text of another server for the log: without control and format characters, and at most `maxLength` code units. */
export function loggableText(text: string, maxLength = 100): string {
  return text
    .slice(0, maxLength)
    .replace(/[\p{Cc}\p{Cf}]/gu, '')
    .toWellFormed()
}
