import { logSettings, logVariables, roomSettings } from '../config/index.js';

/** Which log lines are written, and in which form. */
export const observabilitySettings = roomSettings({
  room: 'observability',
  variables: logVariables,
  toSettings: (env) => ({ logs: logSettings(env) }),
});
