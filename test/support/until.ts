import { setTimeout as delay } from 'node:timers/promises';

const POLL_MS = 20;
/** Not how long it takes, but when to give up on a machine that others keep busy. */
const LIMIT_MS = 120_000;

/** Asks again and again until the answer is true; fails with `what` (else with the condition) after `timeoutMs`. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what = String(condition),
  timeoutMs = LIMIT_MS,
): Promise<void> {
  await untilValue(condition, (isTrue) => isTrue, { timeoutMs, details: () => what });
}

export interface Patience {
  readonly timeoutMs?: number;
  /** What else to say when it was in vain. */
  readonly details?: () => string;
}

/**
 * Asks again and again until the answer satisfies `condition`, which must stay true once it is: `>=` and not `===` of
 * what grows, since the moment between two looks can be long.
 * @throws Error with the last answer
 */
export async function untilValue<T>(
  probe: () => T | Promise<T>,
  condition: (value: T) => boolean,
  { timeoutMs = LIMIT_MS, details = () => '' }: Patience = {},
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const value = await probe();
    if (condition(value)) return value;
    if (performance.now() > deadline) {
      throw new Error(`Waited ${timeoutMs} ms in vain: ${details()} (last: ${JSON.stringify(value)})`);
    }
    await delay(POLL_MS);
  }
}

/**
 * As {@link until}, of a server that is away or leaves meanwhile: a failure means not yet, and the last one is told at
 * the end.
 */
export async function untilServed(condition: () => Promise<boolean>, what: string, timeoutMs?: number): Promise<void> {
  let last: unknown;
  const isServed = async (): Promise<boolean> => {
    try {
      return await condition();
    } catch (error) {
      last = error;
      return false;
    }
  };
  try {
    await until(isServed, what, timeoutMs);
  } catch (error) {
    throw new Error(`${String(error)}; the last failure: ${String(last)}`, { cause: error });
  }
}
