import type { Say } from './noisy-command.js';

export interface CheckContext {
  readonly url: string;
  readonly say: Say;
  readonly signal: AbortSignal;
}

export interface CheckResult {
  readonly held: boolean;
  /** What was found, for people: a sentence or a table. */
  readonly report: string;
}

/** Something that is promised with a real vLLM. */
export interface Check {
  readonly name: string;
  readonly promise: string;
  run(context: CheckContext): Promise<CheckResult>;
}
