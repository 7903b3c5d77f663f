import { describeError } from '../../src/shared/index.js';
import type { ChaosRun, Scenario, Verdict } from './scenario.js';
import { SeededRandom } from './seeded-random.js';

export interface ScenarioResult extends Verdict {
  readonly name: string;
  readonly promise: string;
  readonly held: boolean;
  readonly seconds: number;
}

export interface RunOptions extends Pick<ChaosRun, 'scale' | 'note'> {
  readonly seed: number;
}

/**
 * Runs one scenario with chance of its own, so that its faults are the same whichever others run before it. One that
 * breaks off has not shown that its promise holds.
 */
export async function runScenario(scenario: Scenario, { seed, scale, note }: RunOptions): Promise<ScenarioResult> {
  const { name, promise } = scenario;
  const startedAt = performance.now();
  const verdict = await verdictOf(scenario, { random: new SeededRandom(seed).fork(name), scale, note });
  const seconds = Math.round((performance.now() - startedAt) / 1_000);
  return { name, promise, held: verdict.violations.length === 0, seconds, ...verdict };
}

async function verdictOf(scenario: Scenario, chaos: ChaosRun): Promise<Verdict> {
  try {
    return await scenario.run(chaos);
  } catch (error) {
    const stack = error instanceof Error ? (error.stack ?? '') : '';
    chaos.note(stack === '' ? 'it broke off' : stack);
    return { violations: [`The scenario broke off: ${describeError(error)}`], figures: {} };
  }
}
