/** One user's conversations with questions about what was said: what an evaluation of recall is made of. */
export interface MemoryTask {
  readonly userId: string;
  /** Oldest first. */
  readonly turns: readonly TaskTurn[];
  readonly questions: readonly TaskQuestion[];
}

export interface TaskTurn {
  /** Unique within the task. */
  readonly id: string;
  readonly session: string;
  readonly atMs: number;
  readonly role: 'user' | 'assistant';
  readonly text: string;
  /** The words alone, where `text` names the speaker: the product takes names off what was said before. */
  readonly words: string;
  /** Whether it goes into the memory; else it is only what is said before others. */
  readonly isCaptured: boolean;
}

export interface TaskQuestion {
  readonly text: string;
  readonly category: string;
  /** Ids of captured turns that answer it; never empty. */
  readonly evidence: readonly string[];
}

/** Names a turn among those of all tasks. */
export const turnKey = ({ userId }: MemoryTask, turnId: string): string => `${userId}/${turnId}`;
