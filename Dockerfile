# Node has the same version as in package.json.

# The simulated CDF and identity provider of compose.yaml. They need development dependencies; the service has none of it.
FROM node:26.10.0-slim AS simulator
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
COPY client/package.json ./client/
COPY test/clients/generators ./test/clients/generators
RUN npm ci --ignore-scripts
COPY client/src ./client/src
COPY simulator ./simulator
USER node
CMD ["node", "simulator/demo/serve-simulator.ts"]

# The production dependencies of the service, in a stage of their own that keeps the npm cache out of the image.
FROM node:26.10.0-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev

# The service.
FROM node:26.10.0-slim
ENV NODE_ENV=production HOST=0.0.0.0 PORT=3000 NODE_COMPILE_CACHE=/app/node_modules/.cache/compile
WORKDIR /app
COPY --from=dependencies /app/node_modules ./node_modules
COPY package.json openapi.yaml ./
COPY src ./src
COPY plugins ./plugins
COPY routes ./routes
# Fills Node's compile cache, so that the service starts faster. The same user fills and uses it.
# NODE_COMPILE_CACHE also covers src/server.ts, which turns the cache on only for what it loads.
# Without a configuration, the service loads the modules that it needs at startup and exits with 78.
RUN install -d -o node -g node node_modules/.cache
USER node
RUN node src/server.ts 2>/dev/null || [ $? = 78 ]
EXPOSE 3000 9464
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT || 3000}/health/live`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
# Without a shell or npm, Node is process 1 and receives SIGTERM directly. SIGUSR1 would open Node's debugger.
# `node src/check.ts` checks the configuration.
CMD ["node", "--disable-sigusr1", "src/server.ts"]
