/** Options of {@link nginxConfig}. */
export interface NginxOptions {
  port: number
  /** For the cache, the logs and temporary files. */
  folder: string
  /** Host and port of the server that sends the responses and authorizes the callers. */
  origin: string
}

/**
 * nginx with the functions of the service: authorization of the bearer token, rate limit per caller, cached responses,
 * an id for each request, and an access log with the same members. It has no metrics.
 */
export function nginxConfig({ port, folder, origin }: NginxOptions): string {
  return `
daemon off;
worker_processes 1;
pid ${folder}/nginx.pid;
error_log ${folder}/nginx-error.log;
events { worker_connections 1024; }
http {
  log_format json escape=json '{"level":30,"time":$msec,"pid":$pid,"hostname":"$hostname","requestId":"$request_id",'
    '"traceId":"$request_id","jobId":"$job_id","method":"$request_method","route":"/jobs/:jobId/quality",'
    '"status":$status,"caller":"$caller","cache":"$upstream_cache_status","durationMs":$request_time,"msg":"request"}';
  access_log ${folder}/nginx-access.log json buffer=64k flush=100ms;
  server_tokens off;
  sendfile on;
  tcp_nopush on;
  keepalive_timeout 72s 72s;
  keepalive_requests 1000000000;
  open_file_cache max=2000 inactive=1h;
  open_file_cache_valid 1h;
  client_body_temp_path ${folder}/nginx-body;
  proxy_temp_path ${folder}/nginx-proxy;
  fastcgi_temp_path ${folder}/nginx-fastcgi;
  uwsgi_temp_path ${folder}/nginx-uwsgi;
  scgi_temp_path ${folder}/nginx-scgi;
  proxy_cache_path ${folder}/nginx-jobs keys_zone=jobs:10m max_size=100m inactive=1h;
  proxy_cache_path ${folder}/nginx-callers keys_zone=callers:10m max_size=100m inactive=1h;
  limit_req_zone $http_authorization zone=rate:10m rate=1000000r/s;
  upstream origin { server ${origin}; keepalive 64; }
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  server {
    listen 127.0.0.1:${port};
    location ~ "^/jobs/(?<job_id>[0-9a-f-]+)/quality$" {
      limit_req zone=rate burst=1000 nodelay;
      auth_request /authorize;
      auth_request_set $caller $upstream_http_x_caller;
      proxy_cache jobs;
      proxy_cache_key $job_id;
      proxy_cache_valid 200 1h;
      proxy_ignore_headers Cache-Control Vary;
      proxy_hide_header X-Request-Id;
      add_header X-Request-Id $request_id always;
      proxy_pass http://origin;
    }
    location = /authorize {
      internal;
      proxy_cache callers;
      proxy_cache_key $http_authorization;
      proxy_cache_valid 204 1h;
      proxy_pass_request_body off;
      proxy_set_header Content-Length "";
      proxy_pass http://origin;
    }
  }
}
`
}
