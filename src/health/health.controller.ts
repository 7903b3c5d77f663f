import { Controller, Get, type OnApplicationBootstrap } from '@nestjs/common';
import { HealthCheck, type HealthCheckResult, HealthCheckService, HealthIndicatorService } from '@nestjs/terminus';
import { DrainService } from '../http/index.js';
import { MemoryHealth } from '../memory/index.js';
import { MemoryWorkerHealth } from '../memory-worker/index.js';
import { StreamHealth } from '../stream/index.js';
import { VorpalHealth } from '../vorpal/index.js';

/** Health for people (`/health`) and for Kubernetes (`live`, `ready`, `startup`); docs/operations.md has the probes. */
@Controller('health')
export class HealthController implements OnApplicationBootstrap {
  constructor(
    private readonly health: HealthCheckService,
    private readonly indicators: HealthIndicatorService,
    private readonly drain: DrainService,
    private readonly stream: StreamHealth,
    private readonly vorpal: VorpalHealth,
    private readonly memory: MemoryHealth,
    private readonly worker: MemoryWorkerHealth,
  ) {}

  onApplicationBootstrap(): void {
    void this.memory.begin();
  }

  @Get()
  @HealthCheck()
  everything(): Promise<HealthCheckResult> {
    return this.health.check([
      () => this.server(),
      () => this.stream.check(),
      () => this.vorpal.check(),
      () => this.vorpal.checkEmbeddings(),
      () => this.memory.check(),
      () => this.worker.check(),
    ]);
  }

  /** The process answers. Depends on nothing else: a restart would not bring back a Redis or a Vorpal. */
  @Get('live')
  @HealthCheck()
  live(): Promise<HealthCheckResult> {
    return this.health.check([]);
  }

  /** Whether chats sent here would be captured and answered. */
  @Get('ready')
  @HealthCheck()
  ready(): Promise<HealthCheckResult> {
    return this.health.check([() => this.server(), () => this.stream.checkCapture(), () => this.vorpal.check()]);
  }

  /** Whether the start is over. The model is not waited for: `ready` says when it is loaded. */
  @Get('startup')
  @HealthCheck()
  startup(): Promise<HealthCheckResult> {
    return this.health.check([() => this.server()]);
  }

  private server() {
    const session = this.indicators.check('server');
    return this.drain.draining
      ? session.down({ reason: 'shutting down' })
      : session.up({ active_requests: this.drain.activeRequests });
  }
}
