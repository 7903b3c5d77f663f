/** How much is kept of each session, and for how long. */
export interface SessionLimits {
  readonly maxTurns: number;
  /** After its last turn. */
  readonly ttlMs: number;
}
