import { Global, Module } from '@nestjs/common';
import { createMetricsRegistry, Registry } from '@archive-brain/common';

/** Makes the program's metrics {@link Registry} injectable everywhere. */
@Global()
@Module({ providers: [{ provide: Registry, useFactory: createMetricsRegistry }], exports: [Registry] })
export class ObservabilityModule {}
