import type { Logger } from '@nestjs/common';

// Each takes the memory of its name for as long as the process lives. So many have one cause, which the first ones
// tell.
const MAX_KNOWN = 1_000;

export interface UndecodableRecord {
  readonly kind: 'memory' | 'decision' | 'statistics' | 'turn';
  readonly userId: string;
  readonly id: string;
  /** What is wrong with it; names of fields, never their content. */
  readonly problem: string;
}

/** Records of a store that cannot be read and are skipped: each is counted and logged once. */
export class UndecodableRecords {
  private readonly known = new Set<string>();
  private lastName: string | undefined;

  constructor(private readonly logger: Logger) {}

  /** How many were met since the start; 1,000 stands for that many or more. */
  get count(): number {
    return this.known.size;
  }

  /** Kind and id of the one that was found last. */
  get last(): string | undefined {
    return this.lastName;
  }

  note({ kind, userId, id, problem }: UndecodableRecord): void {
    const key = JSON.stringify([kind, userId, id]);
    if (this.known.has(key) || this.known.size >= MAX_KNOWN) return;
    this.known.add(key);
    this.lastName = `${kind} ${id}`;
    this.logger.warn(`Skipped ${kind} ${id} of user ${JSON.stringify(userId)}, which cannot be read: ${problem}`);
    if (this.known.size === MAX_KNOWN) this.logger.warn('More records cannot be read; they are not logged');
  }
}
