import { collectDefaultMetrics, Registry } from 'prom-client';

export { Counter, Gauge, Histogram, Registry } from 'prom-client';

/**
 * A registry of its own for one program or one test, with what the process itself uses: processor time, memory, the
 * delay of the event loop. The library's global registry would make two instances in one process fail on the second
 * registration of a name.
 */
export function createMetricsRegistry(): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  return registry;
}
