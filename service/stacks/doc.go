// Package stacks keeps stacks and change sets, and makes the world what their
// templates say. It answers for AWS CloudFormation (cloudformation, 2010-05-15).
//
// # How a stack operation runs
//
// CreateStack, UpdateStack, ExecuteChangeSet, DeleteStack and their like write an operation
// beside the stack and return. The job "run stack operations" carries it out (run.go): resources that do not need
// one another side by side (walk.go), each through the operations of its service (package resource). What is about to be
// done to a resource is durable before it is done, and what came of it before the next
// step (change.go), so a node that was killed goes on where it was: it asks for what
// the cut-off step may have made, and repeats the step with the same token and name.
//
// An operation has phases. "apply" creates and changes; when all went well the
// stack's new target, its outputs and exports are committed in one batch, and "cleanup" deletes what was replaced
// or removed. When something failed, "rollback" restores what was changed, and then cleans up what was new.
//
// The template language is package template, the SAM transform package sam; both are pure.
//
// # Left out
//
// Refused by name: stack sets, drift, imports, refactorings, hooks, modules, macros other than the SAM
// transform, AWS::Include and AWS::LanguageExtensions, stack policies, creation and update policies, rollback triggers, notification topics, and resource types
// that no service of this node declares.
package stacks
