import { readFile, writeFile } from 'node:fs/promises'

const UNRELEASED = '## [Unreleased]\n'
const NEXT_SECTION = /^## \[/m

/**
 * Moves the entries under _Unreleased_ to a section of their own.
 * @param date the day of the release, as YYYY-MM-DD
 * @throws Error if there are no entries, or the version has a section already
 * @see https://keepachangelog.com/en/1.1.0/
 */
export function releaseChangelog(changelog: string, version: string, date: string): string {
  if (changelog.includes(`## [${version}]`)) throw new Error(`${version} is released already`)
  const { before, section, after } = split(changelog, UNRELEASED)
  if (section.trim() === '') throw new Error('there is nothing under Unreleased')
  return `${before}${UNRELEASED}\n## [${version}] - ${date}\n${section}${after}`
}

/**
 * The entries of a version, without its heading.
 * @throws Error if the version has no section
 */
export function releaseNotes(changelog: string, version: string): string {
  const heading = changelog.split('\n').find((line) => line.startsWith(`## [${version}]`))
  if (heading === undefined) throw new Error(`there is no section for ${version}`)
  return `${split(changelog, `${heading}\n`).section.trim()}\n`
}

function split(changelog: string, heading: string) {
  const start = changelog.indexOf(heading)
  if (start < 0) throw new Error(`there is no heading ${heading.trim()}`)
  const rest = changelog.slice(start + heading.length)
  const end = NEXT_SECTION.exec(rest)?.index ?? rest.length
  return { before: changelog.slice(0, start), section: rest.slice(0, end), after: rest.slice(end) }
}

if (import.meta.main) {
  const file = new URL('../../CHANGELOG.md', import.meta.url)
  const changelog = await readFile(file, 'utf8')
  const [command, version = ''] = process.argv.slice(2)
  if (command === 'release') {
    const today = new Date().toISOString().slice(0, 10)
    await writeFile(file, releaseChangelog(changelog, version, today))
  } else if (command === 'notes') {
    process.stdout.write(releaseNotes(changelog, version))
  } else {
    process.stderr.write('Usage: changelog.ts release VERSION | notes VERSION\n')
    process.exitCode = 1
  }
}
