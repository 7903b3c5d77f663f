import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { AppModule } from './app.module.js';
import type { Settings } from './config/index.js';
import { createFastifyAdapter, httpSettings } from './http/index.js';
import { createLogger, observabilitySettings } from './observability/index.js';

/**
 * The brain, ready to listen.
 * @throws whatever a module's start-up refuses to go on with
 */
export function createApp(settings: Settings): Promise<NestFastifyApplication> {
  return NestFactory.create<NestFastifyApplication>(
    AppModule.forRoot(settings),
    createFastifyAdapter(settings.of(httpSettings)),
    { logger: createLogger(settings.of(observabilitySettings), 'Brain'), bodyParser: false, abortOnError: false },
  );
}
