/** The small classifier of prompts: features, network, weights and the guard. */
export { classifierGuard, openClassifierGuard } from "./guard.ts";
export { architecture, openClassifier, openStandardClassifier, standardFolder, type Classifier, type Score } from "./model.ts";
export { buckets, maxFeatures, windowsOf, type Window } from "./features.ts";
export { classify, heads, hidden, lossOf, outputs, width } from "./network.ts";
