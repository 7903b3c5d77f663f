import { ConsoleLogger } from '@nestjs/common';
import { isatty } from 'node:tty';
import type { Settings } from '../config/index.js';

/** What Nest says of its own wiring: thirty lines a start that bury the few a person looks for. */
const FRAMEWORK_CONTEXTS: ReadonlySet<unknown> = new Set([
  'InstanceLoader',
  'NestApplication',
  'NestFactory',
  'RouterExplorer',
  'RoutesResolver',
]);

/** Nest's own logger with the framework's wiring moved to `debug`. */
class ProgramLogger extends ConsoleLogger {
  // A start that failed is explained once, by the program's entry file; Nest would print its stack before that.
  override error(message: unknown, ...optionalParams: unknown[]): void {
    if (optionalParams.at(-1) === 'ExceptionHandler') super.debug(message, 'ExceptionHandler');
    else super.error(message, ...optionalParams);
  }

  override log(message: unknown, ...optionalParams: unknown[]): void {
    if (FRAMEWORK_CONTEXTS.has(optionalParams.at(-1))) super.debug(message, ...optionalParams);
    else super.log(message, ...optionalParams);
  }
}

/** The logger of both programs: coloured text for people, one JSON object a line in production. */
export function createLogger({ logs }: Settings, prefix: string): ConsoleLogger {
  const levels = ['fatal', 'error', 'warn', 'log', 'debug', 'verbose'] as const;
  return new ProgramLogger({
    prefix,
    json: logs.format === 'json',
    colors: logs.format === 'text' && isatty(process.stdout.fd),
    logLevels: levels.slice(0, levels.indexOf(logs.level) + 1),
  });
}
