// Of each engine and model the server runs, one line; `vllm:num_requests_waiting_by_reason` counts the same once more.
const WAITING = /^vllm:num_requests_waiting(?:\{.*\})?[ \t]+(\S+)/gm;

/** Requests that wait at the server, from its metrics in Prometheus' text format; `undefined` where they do not tell. */
export function waitingRequestsIn(metrics: string): number | undefined {
  const values = [...metrics.matchAll(WAITING)].map(([, value]) => Number(value)).filter(Number.isFinite);
  return values.length === 0 ? undefined : values.reduce((sum, value) => sum + value, 0);
}
