/** A release of vLLM that the checks run on. */
export interface Release {
  readonly version: string;
  /** Environment that this release needs on a CPU. */
  readonly environment: Readonly<Record<string, string>>;
}

// The newest one is what the local Vorpal follows and what docker-compose.yml runs; the other is the oldest that is
// looked at.
export const RELEASES: readonly Release[] = [
  { version: '0.32.0', environment: {} },
  { version: '0.17.1', environment: {} },
];
