// Package logs keeps log groups, streams and events, and shows what the functions
// of this node have logged. It answers for CloudWatch Logs (logs, 2014-03-28), as much
// of it as programs need that write logs, and people who read those of functions.
//
// The group of a function exists as soon as the function has logged, or the group was
// made. What functions log is read from the node's log files, which keep between 10 and
// 20 MB of each; what clients put is in the store, until retention or deletion ends it.
//
// # Left out
//
// Live tail, Logs Insights, metric and subscription filters, exports, transformers, data
// protection, deletion protection, log classes but STANDARD and INFREQUENT_ACCESS (which is kept
// as a label), and filter patterns for space-delimited events and of regular expressions.
// KMS key ids are kept as labels.
package logs
