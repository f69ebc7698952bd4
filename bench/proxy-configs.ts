/** Where a caching proxy gets what it caches. */
export interface ProxyUpstream {
  /** `http://127.0.0.1:…` */
  upstreamUrl: string
  /** Before the job's id. */
  upstreamPath: string
}

/** nginx with `proxy_cache`; what is asked for below `/uncached` it only forwards. It checks nobody and logs nothing. */
export function nginxConfig(options: ProxyUpstream & { port: number; folder: string }): string {
  const { port, folder, upstreamUrl, upstreamPath } = options
  return `
daemon off;
worker_processes 1;
pid ${folder}/nginx.pid;
error_log ${folder}/nginx-error.log;
events { worker_connections 1024; }
http {
  access_log off;
  keepalive_requests 1000000000;
  client_body_temp_path ${folder}/nginx-body;
  proxy_temp_path ${folder}/nginx-proxy;
  fastcgi_temp_path ${folder}/nginx-fastcgi;
  uwsgi_temp_path ${folder}/nginx-uwsgi;
  scgi_temp_path ${folder}/nginx-scgi;
  proxy_cache_path ${folder}/nginx-cache keys_zone=jobs:10m max_size=100m;
  upstream cdf { server ${new URL(upstreamUrl).host}; keepalive 64; keepalive_requests 1000000000; }
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  server {
    listen 127.0.0.1:${port};
    location ~ "^/jobs/(.+)/quality$" {
      # Nobody asks twice for a job of the misses; those of the hits are named otherwise.
      set $id $1;
      proxy_cache jobs;
      proxy_cache_key $id;
      proxy_cache_valid 200 1h;
      proxy_no_cache $is_new;
      proxy_cache_bypass $is_new;
      proxy_pass http://cdf${upstreamPath}/$id;
    }
  }
  map $id $is_new { default 1; "~^00000000-" 0; }
}
`
}

/** Varnish, told to cache whoever asks. It checks nobody and logs to memory only. */
export function varnishConfig({ upstreamUrl, upstreamPath }: ProxyUpstream): string {
  const { hostname, port } = new URL(upstreamUrl)
  return `
vcl 4.1;
backend default { .host = "${hostname}"; .port = "${port}"; }
sub vcl_recv { return (hash); }
sub vcl_backend_fetch {
  set bereq.url = regsub(bereq.url, "^/jobs/(.+)/quality$", "${upstreamPath}/\\1");
}
sub vcl_backend_response { set beresp.ttl = 1h; return (deliver); }
`
}
