/** Removes slashes at the end of a URL. A loop, because `/\/+$/` takes quadratic time on a text with many slashes. */
export function withoutTrailingSlash(url: string): string {
  let end = url.length
  while (url[end - 1] === '/') end -= 1
  return url.slice(0, end)
}
