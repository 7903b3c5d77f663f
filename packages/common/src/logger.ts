import { ConsoleLogger, type LogLevel } from '@nestjs/common';
import { isatty } from 'node:tty';
import { inspect } from 'node:util';
import type { LogSettings } from './settings/program-variables.js';
import { TickCork } from './tick-cork.js';
import { escapeUnsafe } from './unsafe-text.js';

/** What Nest says of its own wiring: thirty lines a start that bury the few a person looks for. */
const FRAMEWORK_CONTEXTS: ReadonlySet<unknown> = new Set([
  'InstanceLoader',
  'NestApplication',
  'NestFactory',
  'RouterExplorer',
  'RoutesResolver',
]);

// The memory worker writes some thousand lines a second, and each write of its own would block the program.
const outputCork = new TickCork(process.stdout);
process.once('exit', () => {
  outputCork.release();
});

/**
 * Stacks have several lines; all but the first are set in, so that none can pass for the beginning of another message.
 */
const linesOf = (text: string): string => text.split('\n').map(escapeUnsafe).join('\n    ');

/**
 * Nest's own logger with the framework's wiring moved to `debug`. Whatever a text of a user holds, it is on the line
 * that it was logged with, and reads in the order in which it is written.
 */
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

  protected override printMessages(
    messages: unknown[],
    context?: string,
    logLevel?: LogLevel,
    writeStreamType?: 'stdout' | 'stderr',
    errorStack?: unknown,
    params?: Record<string, unknown>,
  ): void {
    // On a terminal both are one, and an error belongs after what led to it.
    if (writeStreamType === 'stderr') outputCork.release();
    else outputCork.hold();
    super.printMessages(messages, context, logLevel, writeStreamType, errorStack, params);
  }

  protected override stringifyMessage(message: unknown, logLevel: LogLevel): string {
    const resolved = this.resolveMessage(message);
    const text = typeof resolved === 'string' ? resolved : inspect(resolved, { ...this.inspectOptions, colors: false });
    return this.colorize(linesOf(text), logLevel);
  }

  protected override formatContext(context: string): string {
    return super.formatContext(escapeUnsafe(context));
  }

  protected override stringifyParams(params: Record<string, unknown>): string {
    return escapeUnsafe(super.stringifyParams(params));
  }

  protected override printStackTrace(stack: string | undefined): void {
    super.printStackTrace(linesOf(stack ?? ''));
  }

  // The escapes of JSON itself, so that the line has the same value.
  protected override stringifyJsonLogObject(logObject: Record<string, unknown>): string {
    return escapeUnsafe(super.stringifyJsonLogObject(logObject));
  }
}

/** The logger of both programs: coloured text for people, one JSON object a line in production. */
export function createLogger({ logs }: { readonly logs: LogSettings }, prefix: string): ConsoleLogger {
  const levels = ['fatal', 'error', 'warn', 'log', 'debug', 'verbose'] as const;
  return new ProgramLogger({
    prefix,
    json: logs.format === 'json',
    colors: logs.format === 'text' && isatty(process.stdout.fd),
    logLevels: levels.slice(0, levels.indexOf(logs.level) + 1),
  });
}
