import { Global, Module } from '@nestjs/common';
import { APP_FILTER, APP_PIPE } from '@nestjs/core';
import { DrainService } from './drain.service.js';
import { ProblemFilter } from './problem/problem.filter.js';
import { RequestMetrics } from './request-metrics.js';
import { ValidationPipe } from './validation/validation-pipe.js';

@Global()
@Module({
  providers: [
    DrainService,
    RequestMetrics,
    { provide: APP_FILTER, useClass: ProblemFilter },
    { provide: APP_PIPE, useClass: ValidationPipe },
  ],
  exports: [DrainService],
})
export class BrainHttpModule {}
