package zones

import (
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"
)

func invalidInput(format string, args ...any) error {
	return &types.InvalidInput{Message: aws.String(fmt.Sprintf(format, args...))}
}

func noSuchZone(id string) error {
	return &types.NoSuchHostedZone{Message: aws.String("No hosted zone found with ID: " + id)}
}

func notBuilt(what string) error {
	return invalidInput("%s is not built in this version of Countersign", what)
}

// invalidBatch refuses a whole change batch, with a message per fault.
func invalidBatch(messages []string) error {
	return &types.InvalidChangeBatch{Messages: messages, Message: aws.String("[" + strings.Join(messages, ", ") + "]")}
}

// busy is AWS's answer to changes of one zone that come too fast.
func busy(id string) error {
	return &types.PriorRequestNotComplete{Message: aws.String("The request was rejected because Route 53 was still processing a prior request for hosted zone " + id + ".")}
}
