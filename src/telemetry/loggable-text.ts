/**
 * A text from outside for the log: without control characters, format characters and Unicode line breaks, and at most
 * `maxLength` code units.
 */
export function loggableText(text: string, maxLength = 100): string {
  return text
    .slice(0, maxLength)
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '')
    .toWellFormed()
}
