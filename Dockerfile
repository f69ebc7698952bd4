# The image holds the service and its production dependencies: no simulator, no tests, no tools, no npm cache.
# The same major of Node as the one that package.json pins.
FROM node:26-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev

FROM node:26-slim
ENV NODE_ENV=production HOST=0.0.0.0 PORT=3000 NODE_COMPILE_CACHE=/app/node_modules/.cache/compile
WORKDIR /app
COPY --from=dependencies /app/node_modules ./node_modules
COPY package.json openapi.yaml ./
COPY src ./src
COPY plugins ./plugins
COPY routes ./routes
# Node keeps what it has compiled (NODE_COMPILE_CACHE), in a folder of the user who runs it, which makes each start
# shorter. Without a configuration the process ends (78) as soon as what a start needs is compiled.
RUN install -d -o node -g node node_modules/.cache
USER node
RUN node src/server.ts 2>/dev/null || [ $? = 78 ]
EXPOSE 3000 9464
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT || 3000}/health/live`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
# No shell and no npm in between: Node is process 1 and gets the signals itself.
CMD ["node", "src/server.ts"]
