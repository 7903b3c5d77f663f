import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { AppModule } from './app.module.js';
import { readSettings } from './config/index.js';
import { createFastifyAdapter } from './http/index.js';
import { createLogger } from './observability/index.js';

/**
 * The brain, ready to listen.
 * @throws SettingsError and whatever a module's start-up refuses to go on with
 */
export function createApp(environment: NodeJS.ProcessEnv): Promise<NestFastifyApplication> {
  const settings = readSettings(environment);
  return NestFactory.create<NestFastifyApplication>(
    AppModule.forRoot(environment),
    createFastifyAdapter(settings.server),
    { logger: createLogger(settings, 'Brain'), bodyParser: false, abortOnError: false },
  );
}
