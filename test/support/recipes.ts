import { readFile } from 'node:fs/promises'

const PAGE = new URL('../../docs/configuration.md', import.meta.url)

/** The environment of each recipe in docs/configuration.md, by its heading. */
export async function readRecipes(): Promise<Map<string, Record<string, string>>> {
  const recipes = (await readFile(PAGE, 'utf8')).matchAll(
    /^### (.*)\n(?:(?!^#)[\s\S])*?```sh\n([^`]*)```/gm,
  )
  return new Map(
    [...recipes].map(([, title = '', recipe = '']) => [
      title,
      Object.fromEntries(
        recipe
          .split('\n')
          .filter((line) => /^[A-Z]/.test(line))
          .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
      ),
    ]),
  )
}
