// Package arn parses and builds Amazon Resource Names and knows the AWS
// partitions. It depends on nothing and answers for no AWS API of its own.
package arn

import (
	"fmt"
	"strings"
)

// An ARN is arn:partition:service:region:account:resource, split. Resource may
// itself hold colons and slashes.
type ARN struct {
	Partition, Service, Region, Account, Resource string
}

// Parse splits s. It checks the form only: six parts, "arn" first, partition,
// service and resource not empty.
func Parse(s string) (ARN, error) {
	p := strings.SplitN(s, ":", 6)
	if len(p) != 6 || p[0] != "arn" || p[1] == "" || p[2] == "" || p[5] == "" {
		return ARN{}, fmt.Errorf("%q is not an ARN: want arn:partition:service:region:account:resource", s)
	}
	return ARN{p[1], p[2], p[3], p[4], p[5]}, nil
}

// String puts the parts together again.
func (a ARN) String() string {
	return "arn:" + a.Partition + ":" + a.Service + ":" + a.Region + ":" + a.Account + ":" + a.Resource
}

// New builds an ARN in the partition that region belongs to.
func New(service, region, account, resource string) ARN {
	return ARN{Partition(region), service, region, account, resource}
}

// Partition names the AWS partition of a Region: aws-cn, aws-us-gov, or aws
// for every other, the empty Region of global services among them.
func Partition(region string) string {
	switch {
	case strings.HasPrefix(region, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(region, "us-gov-"):
		return "aws-us-gov"
	}
	return "aws"
}
