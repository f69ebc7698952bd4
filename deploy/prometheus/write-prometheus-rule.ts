import { readFile, writeFile } from 'node:fs/promises'

/** The output file: a `PrometheusRule` for the Prometheus Operator. */
export const PROMETHEUS_RULE = new URL(
  '../kubernetes/monitoring/prometheus-rule.yaml',
  import.meta.url,
)

const HEAD = `# Generated from deploy/prometheus/alerts.yaml with: npm run alerts. Do not edit.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: cdf-job-quality
  labels:
    app.kubernetes.io/name: cdf-job-quality
spec:
`

/** The `PrometheusRule` with the groups and comments of `alerts.yaml`. */
export async function prometheusRule(): Promise<string> {
  const alerts = await readFile(new URL('alerts.yaml', import.meta.url), 'utf8')
  const groups = alerts.slice(alerts.indexOf('groups:\n'))
  return HEAD + groups.replaceAll(/^(?=.)/gm, '  ')
}

if (import.meta.main) await writeFile(PROMETHEUS_RULE, await prometheusRule())
