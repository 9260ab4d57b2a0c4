package authority

import (
	"encoding/base64"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acmpca/types"
)

// A page token is the key of the last item that was answered, so that pages
// stay right when items come and go between them.

func encodePage(last string) *string {
	return aws.String(base64.RawURLEncoding.EncodeToString([]byte(last)))
}

func decodePage(next *string) (after string, err error) {
	if next == nil {
		return "", nil
	}
	b, err := base64.RawURLEncoding.DecodeString(*next)
	if err != nil || len(b) == 0 {
		return "", &types.InvalidNextTokenException{Message: aws.String("the token in NextToken is not one that this operation has answered")}
	}
	return string(b), nil
}

// paginate cuts a page out of items, which are sorted by key.
func paginate[T any](items []T, key func(T) string, next *string, size *int32) ([]T, *string, error) {
	after, err := decodePage(next)
	if err != nil {
		return nil, nil, err
	}
	for len(items) > 0 && after != "" && key(items[0]) <= after {
		items = items[1:]
	}
	if n := int(aws.ToInt32(size)); n > 0 && len(items) > n {
		return items[:n], encodePage(key(items[n-1])), nil
	}
	return items, nil, nil
}
