export { assertPortFree } from './assert-port-free.js';
export { lifecycleSettings, type LifecycleSettings } from './lifecycle.settings.js';
export { LifecycleModule, ShutdownDeadline } from './shutdown-deadline.js';
