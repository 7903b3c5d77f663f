import { z } from 'zod';
import type { Unsettled } from '../../input-stream.port.js';

/** An entry as Redis hands it out; `fields` is `null` where it was deleted while it was pending. */
export interface RawEntry {
  readonly streamId: string;
  readonly fields: Record<string, string> | null;
}

const rawEntry = z
  .tuple([z.string(), z.array(z.string()).nullable()])
  .transform(([streamId, flat]): RawEntry => ({ streamId, fields: flat && pairUp(flat) }));
const rawEntries = z.array(rawEntry);

/** Entries of `XRANGE` and `XREVRANGE`. */
export function parseRange(reply: unknown): RawEntry[] {
  return rawEntries.parse(reply);
}

const readGroupReply = z.array(z.tuple([z.string(), rawEntries])).nullable();

/** Entries of the one stream that `XREADGROUP` was asked for; none where it replied that there is nothing. */
export function parseReadGroup(reply: unknown): RawEntry[] {
  return readGroupReply.parse(reply)?.[0]?.[1] ?? [];
}

// Before 7.0 a deleted entry is a bare null in the list; since then it is left out and named in a third element.
const autoClaimReply = z.tuple([z.string(), z.array(rawEntry.nullable())]).rest(z.unknown());

export function parseAutoClaim(reply: unknown): { readonly nextCursor: string; readonly entries: RawEntry[] } {
  const [nextCursor, entries] = autoClaimReply.parse(reply);
  return { nextCursor, entries: entries.filter((entry) => entry !== null) };
}

const pendingReply = z.array(z.tuple([z.string(), z.string(), z.number(), z.number()]));

/** Deliveries of the single entry that `XPENDING` was asked for; `undefined` if it is not pending. */
export function parseDeliveries(reply: unknown): number | undefined {
  return pendingReply.parse(reply)[0]?.[3];
}

const groupsReply = z.array(z.array(z.union([z.string(), z.number(), z.null()])));

export interface GroupInfo {
  readonly pending: number;
  /** `null` where Redis cannot tell. Absent before 7.0. */
  readonly lag: number | null;
}

export function parseGroup(reply: unknown, group: string): GroupInfo | undefined {
  const groups = groupsReply.parse(reply).map((flat) => new Map(pairs(flat)));
  const found = groups.find((info) => info.get('name') === group);
  if (!found) return undefined;
  const lag = found.get('lag');
  return { pending: Number(found.get('pending') ?? 0), lag: typeof lag === 'number' ? lag : null };
}

const forgottenReply = z.tuple([z.number(), z.number()]);

export function parseForgotten(reply: unknown): { readonly removed: number; readonly isMore: boolean } {
  const [removed, isMore] = forgottenReply.parse(reply);
  return { removed, isMore: isMore === 1 };
}

const earlierReply = z.array(z.tuple([z.number(), z.array(z.string())]));

export function parseEarlier(reply: unknown): Unsettled[] {
  return earlierReply.parse(reply).map(([count, receipts]) => ({ count, receipts }));
}

function pairUp(flat: readonly string[]): Record<string, string> {
  return Object.fromEntries(pairs(flat));
}

function pairs<T>(flat: readonly T[]): [T, T][] {
  const result: [T, T][] = [];
  for (let i = 0; i + 1 < flat.length; i += 2) result.push([flat[i] as T, flat[i + 1] as T]);
  return result;
}

/** Orders stream ids (`milliseconds-sequence`). */
export function isLater(streamId: string, than: string): boolean {
  const [ms = 0, sequence = 0] = streamId.split('-').map(Number);
  const [thanMs = 0, thanSequence = 0] = than.split('-').map(Number);
  return ms > thanMs || (ms === thanMs && sequence > thanSequence);
}
