import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { FastifyInstance } from 'fastify';
import { Histogram, Registry } from '../observability/index.js';

// From a probe to an answer of a slow model.
const BUCKETS_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120];
/** What no route answers has one label: a scanner's thousand paths must not become a thousand series. */
const NO_ROUTE = 'none';

/** Times every request, by route and status. */
@Injectable()
export class RequestMetrics implements OnApplicationBootstrap {
  private readonly durations: Histogram;

  constructor(
    private readonly adapterHost: HttpAdapterHost,
    registry: Registry,
  ) {
    this.durations = new Histogram({
      name: 'archive_brain_http_request_duration_seconds',
      help: 'Time from a request to the end of its answer.',
      labelNames: ['method', 'route', 'status'],
      buckets: BUCKETS_SECONDS,
      registers: [registry],
    });
  }

  onApplicationBootstrap(): void {
    const fastify = this.adapterHost.httpAdapter.getInstance<FastifyInstance>();
    fastify.addHook('onResponse', (request, reply, done) => {
      const labels = {
        method: request.method,
        route: request.routeOptions.url ?? NO_ROUTE,
        status: String(reply.statusCode),
      };
      this.durations.observe(labels, reply.elapsedTime / 1_000);
      done();
    });
  }
}
