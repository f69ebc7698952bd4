import { readFile, writeFile } from 'node:fs/promises'

/** Of the Prometheus Operator, which takes the same groups inside a resource of its own. */
export const PROMETHEUS_RULE = new URL(
  '../kubernetes/monitoring/prometheus-rule.yaml',
  import.meta.url,
)

const HEAD = `# Written by deploy/prometheus/write-prometheus-rule.ts from alerts.yaml beside it: change that one.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: cdf-job-quality
  labels:
    app.kubernetes.io/name: cdf-job-quality
spec:
`

/** `alerts.yaml` as a resource: the groups with their comments, two spaces further in. */
export async function prometheusRule(): Promise<string> {
  const alerts = await readFile(new URL('alerts.yaml', import.meta.url), 'utf8')
  const groups = alerts.slice(alerts.indexOf('groups:\n'))
  return HEAD + groups.replaceAll(/^(?=.)/gm, '  ')
}

if (import.meta.main) await writeFile(PROMETHEUS_RULE, await prometheusRule())
