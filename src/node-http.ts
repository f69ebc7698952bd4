/**
 * `node:http` as it is. An `import` of it makes a list of its exports, and for three of them Node loads its own `fetch` and
 * WebSocket: a twentieth of the start.
 */
export const nodeHttp = process.getBuiltinModule('node:http')
