import { carriedMark, type ScriptArgument } from '../../../infra/redis/index.js';
import type { UndecodableRecords } from '../../../observability/index.js';
import type { Decision } from '../../memory.js';
import type { Effect, Judgement, RecordOutcome, StatisticsStep } from '../../store/memory-store.port.js';
import { decodableOf } from '../shared/decodable.js';
import { decodeDecision, encodeDecision } from '../shared/stored-decision.js';
import { encodeSupersession, memoryArguments } from './redis-memory-records.js';
import { type DecisionRow, parseDecisions, parseRecord, parseSums } from './redis-memory-replies.js';
import type { RedisUsers } from './redis-users.js';
import { type RedisWrites, writable } from './redis-writes.js';
import { DECISIONS } from './scripts/redis-read-scripts.js';
import { RECORD } from './scripts/redis-write-scripts.js';

/** Decisions and running statistics of users. Methods throw Redis' own errors; the store names them. */
export class RedisJudgements {
  constructor(
    private readonly users: RedisUsers,
    private readonly writes: RedisWrites,
    private readonly maxDecisions: number,
    private readonly undecodable: UndecodableRecords,
  ) {}

  async record({ decision, forgetMark, effect, statistics }: Judgement): Promise<RecordOutcome> {
    const { userId } = decision;
    const spaces =
      effect.kind === 'keep' ? await this.writes.spacesFor([effect.memory]) : await this.writes.recentSpaces();
    const write = async () => {
      const reply = await this.users.run(RECORD, userId, writable(spaces), [
        ...[decision.id, encodeDecision(decision), decision.decidedAtMs, carriedMark(forgetMark)],
        ...[this.maxDecisions, ...this.writes.room],
        ...effectArguments(effect),
        ...statistics.flatMap(stepArguments),
      ]);
      const { outcome, isFirstOfUser, hasMore } = parseRecord(reply);
      await this.writes.makeRoom(userId, spaces, hasMore);
      if (outcome === 'forgotten') await this.users.unregister(userId);
      return { result: outcome, isFirst: isFirstOfUser };
    };
    // A user whose memory was the nearest has one, and is listed since.
    return decision.nearestId === null
      ? this.users.registering(userId, write)
      : this.users.registeringFirst(userId, write);
  }

  async sums(userId: string, model: string): Promise<number[]> {
    const { statistics } = this.users.keys.ofUser(userId);
    const sums = parseSums(await this.users.connections.commands.hget(statistics, model));
    if (sums === undefined)
      this.undecodable.note({ kind: 'statistics', userId, id: model, problem: 'they are no numbers' });
    return sums ?? [];
  }

  async decisions(userId: string, limit: number): Promise<Decision[]> {
    const read = async (count: number): Promise<DecisionRow[]> =>
      parseDecisions(await this.users.run(DECISIONS, userId, [], [count]));
    return decodableOf(limit, read, ([id, body]) => {
      const { record, problem } = decodeDecision(userId, id, body);
      if (!record) this.undecodable.note({ kind: 'decision', userId, id, problem });
      return record;
    });
  }
}

function effectArguments(effect: Effect): ScriptArgument[] {
  if (effect.kind === 'drop') return [effect.kind, '', '', '', 0];
  const { memory, duplicateOf, supersedes } = effect;
  const args = memoryArguments(memory);
  return [
    ...[effect.kind, duplicateOf ?? '', supersedes?.id ?? '', supersedes ? encodeSupersession(supersedes) : ''],
    ...[args.length, ...args],
  ];
}

function stepArguments({ model, decay, addends }: StatisticsStep): ScriptArgument[] {
  return [model, decay, addends.join(' ')];
}
