import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { textDigest } from '../../../src/memory/index.js';
import { ProgressBar } from '../../../src/observability/index.js';
import { type ChangePair, isChange } from './change-pairs.js';
import { ChatStandIn } from '../../load/chat-stand-in.js';
import { ChildProgram } from '../../load/child-program.js';
import { FixedLatencyVorpal } from '../../load/fixed-latency-vorpal.js';
import { type MemoryTask, type TaskTurn, turnKey } from '../recall/memory-task.js';
import { RecallBrain } from '../recall/recall-brain.js';
import { formatTable, print } from '../../figures/report.js';

// Each among the others, so that far more was said than a prompt has room for.
const PAIRS_PER_USER = 40;
const MINUTE_MS = 60_000;

interface Place {
  readonly userId: string;
  readonly pairs: ChangePair[];
}

interface Outcome {
  readonly pair: ChangePair;
  readonly isMarked: boolean;
  readonly isOlderRecalled: boolean;
  readonly isNewerRecalled: boolean;
}

/**
 * Every changed pair through the product: users say all older texts of up to 40 pairs and then all newer ones, the
 * worker remembers them, and `POST /chat` is asked about each. Whenever the older one goes into the prompt, the newer
 * one has to. Nothing here depends on how unexpected the texts are, so that scores are made up.
 */
export async function followThroughChats(pairs: readonly ChangePair[]) {
  const local = process.env.VORPAL_URL === undefined ? ChildProgram.start('local-vorpal', {}) : undefined;
  const scoring = await FixedLatencyVorpal.start({ chatMs: 0, scoringMs: 0 });
  const vorpal = process.env.VORPAL_URL ?? (await local?.url()) ?? '';
  const standIn = await ChatStandIn.start({ vorpal, scoring: scoring.url });
  const folder = await mkdtemp(join(tmpdir(), 'eval-changes-chats-'));
  try {
    return report(await follow(placesOf(pairs.filter(isChange)), folder, standIn));
  } finally {
    await rm(folder, { recursive: true, force: true });
    await standIn.stop();
    scoring.stop();
    await local?.end('SIGTERM');
  }
}

async function follow(places: readonly Place[], folder: string, standIn: ChatStandIn): Promise<Outcome[]> {
  const tasks = places.map(taskOf);
  const idOf = await remember(tasks, folder, standIn);
  const brain = await RecallBrain.start(folder, standIn, { ASYNC_MEMORY: 'false' });
  const outcomes: Outcome[] = [];
  const bar = new ProgressBar('asking', places.flatMap((place) => place.pairs).length);
  try {
    for (const [index, task] of tasks.entries()) {
      for (const [number, pair] of (places[index]?.pairs ?? []).entries()) {
        const idIn = (when: string) => idOf.get(turnKey(task, `${when} ${number}`)) ?? '';
        const [older, newer] = [idIn('before'), idIn('after')];
        const { ids } = await brain.ask(task.userId, pair.ask ?? pair.before);
        outcomes.push({
          pair,
          isMarked: (await brain.supersededBy(task.userId, older)) === newer,
          isOlderRecalled: ids.includes(older),
          isNewerRecalled: ids.includes(newer),
        });
        bar.advance();
      }
    }
  } finally {
    bar.stop();
    await brain.stop();
  }
  return outcomes;
}

/** @returns the id of the memory that each turn became, by its key */
async function remember(tasks: readonly MemoryTask[], folder: string, standIn: ChatStandIn) {
  const brain = await RecallBrain.start(folder, standIn, {});
  const bar = new ProgressBar('remembering messages', tasks.flatMap(({ turns }) => turns).length);
  try {
    const { turnOf } = await brain.ingest(tasks, (done) => {
      bar.advance(done);
    });
    return new Map([...turnOf].map(([id, turn]) => [turn, id]));
  } finally {
    bar.stop();
    await brain.stop();
  }
}

/**
 * Pairs of a language together; no text twice with one user, where it would be counted and not be a memory of its own.
 */
function placesOf(pairs: readonly ChangePair[]): Place[] {
  const places: (Place & { readonly digests: Set<string> })[] = [];
  for (const pair of pairs.toSorted((a, b) => a.language.localeCompare(b.language))) {
    const digests = [pair.before, pair.after].map((text) => textDigest({ role: 'user', text }));
    let place = places.find((one) => one.pairs.length < PAIRS_PER_USER && !digests.some((own) => one.digests.has(own)));
    if (!place) {
      place = { userId: `user-${places.length + 1}`, pairs: [], digests: new Set() };
      places.push(place);
    }
    place.pairs.push(pair);
    for (const digest of digests) place.digests.add(digest);
  }
  return places;
}

function taskOf({ userId, pairs }: Place): MemoryTask {
  const startMs = Date.now() - 2 * pairs.length * MINUTE_MS;
  const said = (['before', 'after'] as const).flatMap((when) =>
    pairs.map((pair, number) => ({ id: `${when} ${number}`, text: pair[when] })),
  );
  const turns = said.map(({ id, text }, index): TaskTurn => {
    // Of another session each: nothing was said before it.
    return { id, session: id, atMs: startMs + index * MINUTE_MS, role: 'user', text, words: text, isCaptured: true };
  });
  return { userId, turns, questions: [] };
}

function report(outcomes: readonly Outcome[]) {
  const isTorn = ({ isOlderRecalled, isNewerRecalled }: Outcome) => isOlderRecalled && !isNewerRecalled;
  const count = (is: (outcome: Outcome) => boolean) => outcomes.filter(is).length;
  const counts = {
    changed: outcomes.length,
    marked: count(({ isMarked }) => isMarked),
    newer: count(({ isNewerRecalled }) => isNewerRecalled),
    older: count(({ isOlderRecalled }) => isOlderRecalled),
    olderWithoutNewer: count(isTorn),
  };
  print(
    `\n${formatTable(
      ['changed pairs', 'marked', 'newer in the prompt', 'older in the prompt', 'older without newer'],
      [Object.values(counts)],
    )}`,
  );
  for (const { pair, isMarked } of outcomes.filter(isTorn)) {
    print(`older without newer, ${isMarked ? 'though marked' : 'not marked'}: ${pair.before} | ${pair.after}`);
  }
  return counts;
}
