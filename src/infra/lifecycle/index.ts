export { assertPortFree } from './assert-port-free.js';
export { LifecycleModule, ShutdownDeadline } from './shutdown-deadline.js';
