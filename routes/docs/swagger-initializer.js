// Runs in the browser, after a line that defines SETTINGS; see swagger-ui.ts.

/** Relative to this script, so that the URLs are right behind a path prefix. */
const { src } = document.currentScript
const documentUrl = new URL('../../openapi.json', src).href

/** `curl -N` shows a stream as it arrives; Swagger UI would wait for its end. */
const noStreams = {
  statePlugins: {
    spec: {
      wrapSelectors: { allowTryItOutFor: () => (_state, path) => !path.endsWith('/events') },
    },
  },
}

/** Replaces the login of the OpenAPI document, which is a placeholder, with that of the deployment. */
function withLogin(response) {
  if (response.url !== documentUrl) return response
  const { components, ...document } = JSON.parse(response.text)
  const { security, securitySchemes } = SETTINGS
  response.text = JSON.stringify({
    ...document,
    security,
    components: { ...components, securitySchemes },
  })
  return response
}

window.addEventListener('load', () => {
  const ui = SwaggerUIBundle({
    dom_id: '#swagger-ui',
    url: documentUrl,
    oauth2RedirectUrl: new URL('oauth2-redirect.html', src).href,
    responseInterceptor: withLogin,
    plugins: [noStreams],
    deepLinking: true,
    displayRequestDuration: true,
    tryItOutEnabled: true,
    validatorUrl: null,
  })
  if (SETTINGS.login) ui.initOAuth(SETTINGS.login)
})
