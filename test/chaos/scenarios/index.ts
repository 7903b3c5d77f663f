import type { Scenario } from '../scenario.js';
import { PARTITIONS } from './partitions.js';
import { POISON_ENTRY } from './poison-entry.js';
import { REDIS_RESTARTS } from './redis-restarts.js';
import { SIGTERM_UNDER_LOAD } from './sigterm-under-load.js';
import { VORPAL_FAULTS_SCENARIO } from './vorpal-faults.js';
import { WORKER_KILLS } from './worker-kills.js';

export const SCENARIOS: readonly Scenario[] = [
  WORKER_KILLS,
  REDIS_RESTARTS,
  PARTITIONS,
  VORPAL_FAULTS_SCENARIO,
  POISON_ENTRY,
  SIGTERM_UNDER_LOAD,
];
