import packageJson from '../../package.json' with { type: 'json' }

/** The `user-agent` of all outbound requests, such as `cdf-job-quality/1.2.3`. */
export const USER_AGENT = `${packageJson.name}/${packageJson.version}`
