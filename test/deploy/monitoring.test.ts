import { execFile } from 'node:child_process'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { parse } from 'yaml'
import { PROMETHEUS_RULE, prometheusRule } from '../../deploy/prometheus/write-prometheus-rule.ts'
import { lasting } from '../../simulator/upstream/simulated-job.ts'
import { VARIABLES } from '../../src/config/environment.ts'
import { PROBLEM_CODES } from '../../src/problems/problem-types.ts'
import { openEvents } from '../support/event-stream.ts'
import { JOB_ID } from '../support/fixtures.ts'
import { freePort } from '../support/local-server.ts'
import {
  canMatch,
  DEFAULT_METRIC,
  METRICS,
  mentionsOf,
  metricOf,
  TARGET_LABELS,
} from '../support/metric-names.ts'
import { request } from '../support/request.ts'
import { skipWithout } from '../support/skip-without.ts'
import { startService } from '../support/start-service.ts'
import { until } from '../support/wait.ts'

const root = resolve(import.meta.dirname, '../..')
const read = (path: string) => readFile(join(root, path), 'utf8')
const run = promisify(execFile)

/** An alert or a recording rule. */
interface Rule {
  alert?: string
  record?: string
  expr: string
  for?: string
  labels?: Record<string, string>
  annotations?: Record<string, string>
}

const ALERTS = 'deploy/prometheus/alerts.yaml'
const alertsText = await read(ALERTS)
const rules = (parse(alertsText).groups as { rules: Rule[] }[]).flatMap((group) => group.rules)
const alerts = rules.filter((rule) => rule.alert !== undefined)
const recorded = new Set(rules.map(({ record }) => record))

/** A panel or a row of the dashboard. */
interface Panel {
  id: number
  type: string
  title: string
  description?: string
  datasource?: { uid: string }
  gridPos: { x: number; y: number; w: number; h: number }
  fieldConfig?: { defaults: { unit?: string } }
  targets?: { expr: string; refId: string; datasource: { uid: string } }[]
}

/** A dashboard in the export format of Grafana. */
interface Dashboard {
  schemaVersion: number
  templating: { list: { name: string; type: string; definition?: string }[] }
  annotations: { list: { expr?: string }[] }
  panels: Panel[]
}

const dashboard: Dashboard = JSON.parse(await read('deploy/grafana/dashboard.json'))
const panels = dashboard.panels.filter(({ type }) => type !== 'row')
const queries = [
  ...panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ expr, refId }) => ({ name: `${title} ${refId}`, expr })),
  ),
  ...dashboard.annotations.list.flatMap(({ expr }) => (expr ? [{ name: 'annotation', expr }] : [])),
]

const runbook = await read('docs/operations.md')
/** The anchor that GitHub creates for a heading. */
const anchorOf = (heading: string) =>
  heading
    .toLowerCase()
    .replaceAll(/[^\w\- ]/g, '')
    .replaceAll(' ', '-')
const anchors = [...runbook.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) => anchorOf(heading))

const withoutPromtool = await skipWithout('promtool', '--version')

t.test('extracts names and labels from PromQL', async (t) => {
  t.strictSame(
    mentionsOf(
      'sum by (route, le) (rate(a_count{b=~"x|y", c!="z{"}[$__rate_interval])) / on (pod) group_left a:b > 0.5 and d offset 1d unless vector(1e3) == bool e',
    ),
    {
      series: [
        {
          name: 'a_count',
          matchers: [
            { label: 'b', operator: '=~', value: 'x|y' },
            { label: 'c', operator: '!=', value: 'z{' },
          ],
        },
        ...['group_left', 'a:b', 'd', 'e'].map((name) => ({ name, matchers: [] })),
      ],
      groupings: ['route', 'le', 'pod'],
    },
  )
})

t.test('METRICS lists exactly the metrics that the service exposes', async (t) => {
  const port = await freePort()
  const { app, quality, simulator, url } = await startService(t, {
    environment: {
      METRICS_PORT: String(port),
      // Its metrics exist without a connection.
      REDIS_URL: `redis://127.0.0.1:${await freePort()}`,
    },
  })
  await until(() => app.lifeCycle.readinessBlockers.size === 0)
  simulator.cdf.addJob({ ...lasting(JOB_ID, 'Running'), advancedJoinExternalId: '' })
  await quality()
  await quality('0012')
  await openEvents(t, `${url}/jobs/${JOB_ID}/quality/events`)
  const { text } = await request(`http://127.0.0.1:${port}/metrics`)

  const types = new Map(
    [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name = '', type = '']) => [name, type]),
  )
  const own = [...types].filter(([name]) => !DEFAULT_METRIC.test(name))
  t.strictSame(
    Object.fromEntries(own.sort()),
    Object.fromEntries(
      Object.entries(METRICS)
        .map(([name, { type }]) => [name, type] as const)
        .sort(),
    ),
  )
  const unknownLabels: string[] = []
  for (const [, name = '', labels = ''] of text.matchAll(/^(\w+)\{(.*)\} \S+$/gm)) {
    if (DEFAULT_METRIC.test(name)) continue
    const known = [...Object.keys(metricOf(name)?.labels ?? {}), 'le']
    for (const [, label = ''] of labels.matchAll(/(\w+)="/g))
      if (!known.includes(label)) unknownLabels.push(`${name} ${label}`)
  }
  t.strictSame(unknownLabels, [])

  const mentioned = [...rules, ...queries].flatMap(({ expr }) => mentionsOf(expr).series)
  for (const { name } of mentioned.filter((series) => DEFAULT_METRIC.test(series.name))) {
    t.ok(types.has(name) || types.has(name.replace(/_(?:bucket|sum|count)$/, '')), name)
  }
})

t.test('alerts and dashboard use only existing metrics, labels and values', async (t) => {
  const labelQueries = dashboard.templating.list.flatMap(({ name, definition = '' }) => {
    const [, expr] = /^label_values\((.*), \w+\)$/.exec(definition) ?? []
    return expr === undefined ? [] : [{ name: `variable ${name}`, expr }]
  })
  t.equal(labelQueries.length, 2)
  const all = [
    ...rules.map(({ alert, record, expr }) => ({ name: String(alert ?? record), expr })),
    ...queries,
    ...labelQueries,
  ]
  for (const { name, expr } of all) {
    const { series, groupings } = mentionsOf(expr)
    t.ok(series.length > 0, name)
    const groupable = new Set([...TARGET_LABELS, 'le'])
    for (const { name: metric, matchers } of series) {
      if (metric === 'up' || metric === 'ALERTS' || recorded.has(metric)) continue
      if (DEFAULT_METRIC.test(metric)) {
        t.ok(
          matchers.some(({ label, value }) => label === 'job' && value === 'cdf-job-quality'),
          `${name}: selects the job, because every Node process exposes ${metric}`,
        )
        continue
      }
      const shape = metricOf(metric)
      t.ok(shape, `${name}: ${metric}`)
      for (const label of Object.keys(shape?.labels ?? {})) groupable.add(label)
      for (const matcher of matchers.filter(({ label }) => !TARGET_LABELS.has(label))) {
        const values = shape?.labels[matcher.label]
        t.ok(values && canMatch(matcher, values), `${name}: ${matcher.label} ${matcher.value}`)
      }
    }
    for (const label of groupings) {
      const isOfRecorded = series.some((one) => recorded.has(one.name)) && label === 'route'
      t.ok(groupable.has(label) || isOfRecorded, `${name}: by ${label}`)
    }
  }
})

t.test('the dashboard shows every metric of the service', async (t) => {
  const shown = new Set(queries.flatMap(({ expr }) => mentionsOf(expr).series.map((s) => s.name)))
  for (const name of Object.keys(METRICS)) {
    t.ok(
      [name, `${name}_bucket`, `${name}_count`].some((series) => shown.has(series)),
      name,
    )
  }
})

t.test(
  'every alert has a severity, a summary, a description and a link to its section of the runbook',
  async (t) => {
    t.equal(new Set(alerts.map(({ alert }) => alert)).size, alerts.length)
    for (const { alert = '', labels, annotations } of alerts) {
      t.match(alert, /^CdfJobQuality[A-Z]\w+$/)
      t.match(labels?.severity, /^(critical|warning)$/, alert)
      t.match(annotations?.summary, /^[A-Z].{10,80}\.$/, alert)
      t.match(annotations?.description, /^.{20,200}\.$/, alert)
      const [, file, anchor = ''] = annotations?.runbook_url?.match(/\/main\/(.*)#(.*)$/) ?? []
      t.equal(file, 'docs/operations.md', alert)
      t.ok(anchors.includes(anchor), `${alert}: #${anchor}`)
    }
  },
)

t.test('the PrometheusRule is up to date with alerts.yaml', async (t) => {
  t.equal(
    await readFile(PROMETHEUS_RULE, 'utf8'),
    await prometheusRule(),
    'else run: node deploy/prometheus/write-prometheus-rule.ts',
  )
  t.strictSame(parse(await prometheusRule()).spec, parse(alertsText))
})

t.test('thresholds match the configured limits', async (t) => {
  const thresholdOf = (name: string) =>
    Number(alerts.find(({ alert }) => alert === name)?.expr.match(/> (\d+)\s*$/)?.[1])
  const deployment = parse(await read('deploy/kubernetes/base/deployment.yaml'))
  const [container] = deployment.spec.template.spec.containers
  const [, mebibytes] = /^(\d+)Mi$/.exec(container.resources.limits.memory) ?? []
  t.equal(
    thresholdOf('CdfJobQualityMemoryHigh'),
    Math.floor(0.8 * Number(mebibytes) * 1024 ** 2),
    '80 % of the memory limit',
  )
  t.equal(
    thresholdOf('CdfJobQualityQueueFills'),
    VARIABLES.UPSTREAM_MAX_QUEUE.default / 4,
    'a quarter of the queue',
  )
  const keysServeSeconds = 24 * 3600
  t.ok(thresholdOf('CdfJobQualityCallerKeysOld') < keysServeSeconds / 10)
  t.ok(thresholdOf('CdfJobQualityCallerKeysEnd') < keysServeSeconds - 4 * 3600)
})

t.test('promtool accepts the rules', { skip: withoutPromtool }, async (t) => {
  const { stdout } = await run('promtool', ['check', 'rules', join(root, ALERTS)])
  t.match(stdout, `SUCCESS: ${rules.length} rules found`)
})

t.test(
  'alerts fire as their unit tests require, and every alert has one',
  { skip: withoutPromtool },
  async (t) => {
    let unitTests = ''
    for (const name of ['alerts', 'alerts-over-hours']) {
      const file = `deploy/prometheus/${name}.test.yaml`
      await t.resolves(run('promtool', ['test', 'rules', join(root, file)]), file)
      unitTests += await read(file)
    }
    for (const { alert = '' } of alerts) t.ok(unitTests.includes(`"${alert}"`), alert)
  },
)

t.test('promtool accepts the queries of the dashboard', { skip: withoutPromtool }, async (t) => {
  const asRules = queries.map(({ expr }, index) => ({
    record: `query_${index}`,
    expr: expr.replaceAll('$__rate_interval', '5m'),
  }))
  const folder = t.testdir({})
  const file = join(folder, 'queries.json')
  // JSON is YAML.
  await writeFile(file, JSON.stringify({ groups: [{ name: 'dashboard', rules: asRules }] }))
  await t.resolves(run('promtool', ['check', 'rules', file]))
})

const overlap = ({ gridPos: a }: Pick<Panel, 'gridPos'>, { gridPos: b }: Pick<Panel, 'gridPos'>) =>
  a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h

t.test('the dashboard is complete and its panels do not overlap', async (t) => {
  t.ok(dashboard.schemaVersion >= 39)
  const variables = dashboard.templating.list
  t.strictSame(
    variables.map(({ name, type }) => `${name} ${type}`),
    ['datasource datasource', 'namespace query', 'instance query'],
  )
  t.strictSame(
    dashboard.panels.filter(({ type }) => type === 'row').map(({ title }) => title),
    [
      'First look',
      'Traffic',
      'Cache',
      'CDF',
      'Redis',
      'Identity',
      'Watchers and streams',
      'Process',
    ],
  )
  t.equal(new Set(dashboard.panels.map(({ id }) => id)).size, dashboard.panels.length, 'ids')
  t.equal(new Set(panels.map(({ title }) => title)).size, panels.length, 'titles')
  for (const { title, description, datasource, fieldConfig, targets = [], gridPos } of panels) {
    t.ok((description ?? '').length > 20, `${title}: description`)
    t.ok(fieldConfig?.defaults.unit, `${title}: unit`)
    t.ok(targets.length > 0, `${title}: queries`)
    for (const source of [datasource, ...targets.map((target) => target.datasource)])
      t.equal(source?.uid, `\${datasource}`, title)
    t.ok(gridPos.x + gridPos.w <= 24, `${title}: width`)
    const overlapping = panels.filter(
      (other) => other.title !== title && overlap(other, { gridPos }),
    )
    t.strictSame(overlapping, [], `${title}: overlaps no other panel`)
  }
})

t.test('the runbook has exactly one section per alert and per problem', async (t) => {
  const sectionsOf = (title: string) => {
    const chapter = runbook.split(/^## /m).find((text) => text.startsWith(`${title}\n`)) ?? ''
    return [...chapter.matchAll(/^### `?([\w-]+)`?$/gm)].map(([, name]) => name)
  }
  t.strictSame(sectionsOf('Alerts').sort(), alerts.map(({ alert }) => alert).sort())
  t.strictSame(sectionsOf('Problems'), PROBLEM_CODES)
})

t.test(
  'the links of the runbook lead to existing headings and files, and the panels that it names exist',
  async (t) => {
    for (const [, anchor = ''] of runbook.matchAll(/\]\(#([^)]+)\)/g))
      t.ok(anchors.includes(anchor), `#${anchor}`)
    for (const [, path = ''] of runbook.matchAll(/\]\((?!#|https?:)([^)#]+)/g))
      await t.resolves(
        readFile(join(root, 'docs', path)).catch(() => readdir(join(root, 'docs', path))),
      )
    const titles = new Set(panels.map(({ title }) => title))
    // Names in italics are panels, except a path through Grafana's menu with an arrow.
    for (const [, title = ''] of runbook.matchAll(/(?<![\w`])_([A-Z][^_→]+)_(?!\w)/g))
      t.ok(titles.has(title), title)
  },
)

t.test('the runbook lists every log message, and the variables that it names exist', async (t) => {
  const named = new Set([...runbook.matchAll(/^\| `([^`]+)` \|/gm)].map(([, msg]) => msg))
  let lines = 0
  for (const folder of ['src', 'plugins', 'routes']) {
    const files = await readdir(join(root, folder), { recursive: true })
    for (const file of files.filter((name) => name.endsWith('.ts'))) {
      const source = await read(join(folder, file))
      const messages = /\blog(?:\.\w+|\[\w+\])\(\s*(?:\{[\s\S]*?\},\s*)?'([^']+)'/g
      for (const [, message] of source.matchAll(messages)) {
        lines += 1
        t.ok(named.has(message), `${message}, of ${folder}/${file}`)
      }
    }
  }
  t.ok(lines > 10, 'finds log messages')

  const prefixes =
    /`((?:CDF|IDP|AUTH|UPSTREAM|JOB|SHUTDOWN|METRICS|RATE|CALLER|TRUST|REDIS)_[A-Z_]+)/g
  for (const [, name = ''] of runbook.matchAll(prefixes)) t.ok(Object.hasOwn(VARIABLES, name), name)
})
