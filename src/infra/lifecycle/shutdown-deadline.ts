import { Global, Injectable, Module } from '@nestjs/common';
import { Settings } from '../../config/index.js';

/**
 * One deadline for everything that has to finish while the process stops, so that the waits of several modules
 * cannot add up to more than the supervisor's own grace period.
 */
@Injectable()
export class ShutdownDeadline {
  private startedAt: number | undefined;

  constructor(private readonly settings: Settings) {}

  /** Milliseconds left; the first call starts the clock. */
  remainingMs(): number {
    this.startedAt ??= performance.now();
    return Math.max(0, this.settings.server.shutdownGraceMs - (performance.now() - this.startedAt));
  }
}

@Global()
@Module({ providers: [ShutdownDeadline], exports: [ShutdownDeadline] })
export class LifecycleModule {}
