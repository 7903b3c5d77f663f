import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { textDigest } from '../../../src/memory/index.js';
import { ProgressBar } from '../../../src/observability/index.js';
import type { ChatStandIn } from '../../load/chat-stand-in.js';
import type { Finding } from '../evidence.js';
import { type MemoryTask, type TaskTurn, turnKey } from './memory-task.js';
import { randomFrom } from '../../synthetic/random.js';
import { type IngestCost, RecallBrain, type SearchMode } from './recall-brain.js';

export const DEPTHS = [5, 10, 20] as const;
const DEEPEST = Math.max(...DEPTHS);
// The mean of several draws; one alone is off by two points of recall either way.
const RANDOM_SEEDS = [1, 2, 3];

/** What stays of a store that loses half of its memories. */
export const KEEPS = ['surprise', 'longest', 'newest', 'random'] as const;
export type Keep = (typeof KEEPS)[number];

// Nothing that is asked becomes a memory.
const READ_ONLY = { ASYNC_MEMORY: 'false' };

/**
 * Has a brain remember what was said in tasks, and asks it their questions. What is stored is kept as it was: each kind
 * of asking begins with a copy of it, since recall leaves its marks.
 */
export class RecallEvaluation {
  private turnOf: ReadonlyMap<string, string> = new Map();
  private copies = 0;

  private constructor(
    private readonly folder: string,
    readonly tasks: readonly MemoryTask[],
    private readonly standIn: ChatStandIn,
  ) {}

  static async begin(tasks: readonly MemoryTask[], standIn: ChatStandIn): Promise<RecallEvaluation> {
    return new RecallEvaluation(await mkdtemp(join(tmpdir(), 'eval-recall-')), tasks, standIn);
  }

  async end(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }

  /** Has the worker remember everything. @param settings what differs from the settings as shipped */
  async remember(settings: NodeJS.ProcessEnv = {}): Promise<IngestCost> {
    const messages = this.tasks.flatMap(capturedOf).length;
    const brain = await RecallBrain.start(this.original, this.standIn, settings);
    const bar = new ProgressBar('remembering messages', messages);
    try {
      const { turnOf, cost } = await brain.ingest(this.tasks, (done) => {
        bar.advance(done);
      });
      this.turnOf = turnOf;
      return cost;
    } finally {
      bar.stop();
      await brain.stop();
    }
  }

  /** What of the evidence stands in the prompts of chats. */
  async ask(): Promise<{ readonly findings: Finding[]; readonly tokens: number[] }> {
    const tokens: number[] = [];
    const findings = await this.onCopy({}, (brain) =>
      this.forEachQuestion('asking', async (userId, question) => {
        const recalled = await brain.ask(userId, question);
        tokens.push(recalled.tokens);
        return recalled.ids;
      }),
    );
    return { findings, tokens };
  }

  /** What searches find. */
  search(mode: SearchMode): Promise<Finding[]> {
    return this.onCopy({}, (brain) => this.searchAll(brain, mode, this.tasks));
  }

  /**
   * What searches find in half the store, by how that half was chosen; the mean of several draws where chance chose.
   */
  async searchHalf(keep: Keep, mode: SearchMode): Promise<Finding[][]> {
    if (keep === 'surprise') return [await this.searchForgetful(mode)];
    const seeds = keep === 'random' ? RANDOM_SEEDS : [0];
    const draws: Finding[][] = [];
    for (const seed of seeds) {
      draws.push(
        await this.onCopy({}, async (brain) => {
          for (const task of this.tasks) await this.dropHalf(brain, task, keep, randomFrom(seed));
          return this.searchAll(brain, mode, this.tasks);
        }),
      );
    }
    return draws;
  }

  private get original(): string {
    return join(this.folder, 'original');
  }

  /** A brain on a copy of what is stored, which remembers nothing of what it is asked. */
  private async onCopy<T>(settings: NodeJS.ProcessEnv, work: (brain: RecallBrain) => Promise<T>): Promise<T> {
    const copy = join(this.folder, String(++this.copies));
    await cp(this.original, copy, { recursive: true });
    const brain = await RecallBrain.start(copy, this.standIn, { ...READ_ONLY, ...settings });
    try {
      return await work(brain);
    } finally {
      await brain.stop();
      await rm(copy, { recursive: true });
    }
  }

  /** The product's own order of forgetting: each user's limit is half of what the user has. */
  private async searchForgetful(mode: SearchMode): Promise<Finding[]> {
    const findings: Finding[] = [];
    for (const task of this.tasks) {
      const half = Math.ceil(distinct(task).length / 2);
      findings.push(
        ...(await this.onCopy({ MEMORY_MAX_MEMORIES: String(half) }, async (brain) => {
          await brain.makeRoom(task.userId);
          return this.searchAll(brain, mode, [task]);
        })),
      );
    }
    return findings;
  }

  private async dropHalf(
    brain: RecallBrain,
    task: MemoryTask,
    keep: Exclude<Keep, 'surprise'>,
    random: () => number,
  ): Promise<void> {
    const orders = {
      longest: ({ text }: TaskTurn) => text.length,
      newest: (_: TaskTurn, index: number) => index,
      random: () => random(),
    };
    const worth = distinct(task).map((turn, index) => ({ turn, worth: orders[keep](turn, index) }));
    const worst = worth.toSorted((a, b) => a.worth - b.worth).slice(0, Math.floor(worth.length / 2));
    const idOf = new Map([...this.turnOf].map(([id, turn]) => [turn, id]));
    for (const { turn } of worst) await brain.delete(task.userId, idOf.get(turnKey(task, turn.id)) ?? '');
  }

  private searchAll(brain: RecallBrain, mode: SearchMode, tasks: readonly MemoryTask[]): Promise<Finding[]> {
    return this.forEachQuestion('searching', (userId, query) => brain.search(userId, query, mode, DEEPEST), tasks);
  }

  private async forEachQuestion(
    label: string,
    find: (userId: string, question: string) => Promise<readonly string[]>,
    tasks = this.tasks,
  ): Promise<Finding[]> {
    const bar = new ProgressBar(label, tasks.flatMap(({ questions }) => questions).length);
    const findings: Finding[] = [];
    for (const task of tasks) {
      const first = firstOfEach(task);
      for (const { text, category, evidence } of task.questions) {
        const ids = await find(task.userId, text);
        const found = ids.map((id) => this.turnOf.get(id) ?? '');
        // A text that was said twice is one memory.
        const wanted = new Set(evidence.map((id) => first.get(id) ?? id));
        findings.push({ category, evidence: [...wanted], found });
        bar.advance();
      }
    }
    bar.stop();
    return findings;
  }
}

const capturedOf = ({ turns }: MemoryTask): TaskTurn[] => turns.filter(({ isCaptured }) => isCaptured);

/** The key of the turn that stands for each turn: the first with its text. */
function firstOfEach(task: MemoryTask): Map<string, string> {
  const byDigest = Map.groupBy(capturedOf(task), textDigest);
  return new Map(
    [...byDigest.values()].flatMap((turns) => turns.map(({ id }) => [id, turnKey(task, turns[0]?.id ?? id)])),
  );
}

/** The turns of a task that are memories of their own. */
function distinct(task: MemoryTask): TaskTurn[] {
  const firsts = new Set(firstOfEach(task).values());
  return capturedOf(task).filter(({ id }) => firsts.has(turnKey(task, id)));
}
