import { Global, Inject, Injectable, Module } from '@nestjs/common';
import { lifecycleSettings, type LifecycleSettings } from './lifecycle.settings.js';

/**
 * One deadline for everything that has to finish while the process stops, so that the waits of several modules
 * cannot add up to more than the supervisor's own grace period.
 */
@Injectable()
export class ShutdownDeadline {
  private startedAt: number | undefined;

  constructor(@Inject(lifecycleSettings.KEY) private readonly settings: LifecycleSettings) {}

  /** Milliseconds left; the first call starts the clock. */
  remainingMs(): number {
    this.startedAt ??= performance.now();
    return Math.max(0, this.settings.shutdownGraceMs - (performance.now() - this.startedAt));
  }
}

@Global()
@Module({ providers: [ShutdownDeadline], exports: [ShutdownDeadline] })
export class LifecycleModule {}
