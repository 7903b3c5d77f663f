import { Controller, Get, Header } from '@nestjs/common';
import { Registry } from '../observability/index.js';
import { BrainMetrics } from './brain-metrics.js';

@Controller('metrics')
export class MetricsController {
  constructor(private readonly metrics: BrainMetrics) {}

  @Get()
  @Header('content-type', Registry.PROMETHEUS_CONTENT_TYPE)
  scrape(): Promise<string> {
    return this.metrics.render();
  }
}
