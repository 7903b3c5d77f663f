import { ConsoleLogger } from '@nestjs/common';
import type { Settings } from '../config/index.js';

/** Nest's own logger, for both programs: coloured text for people, one JSON object a line in production. */
export function createLogger({ logs }: Settings, prefix: string): ConsoleLogger {
  const levels = ['fatal', 'error', 'warn', 'log', 'debug', 'verbose'] as const;
  return new ConsoleLogger({
    prefix,
    json: logs.format === 'json',
    colors: logs.format === 'text' && process.stdout.isTTY,
    logLevels: levels.slice(0, levels.indexOf(logs.level) + 1),
  });
}
