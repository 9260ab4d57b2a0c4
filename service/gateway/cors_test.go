package gateway

import (
	"reflect"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	v2 "github.com/aws/aws-sdk-go-v2/service/apigatewayv2/types"
)

func TestCORSConfiguration(t *testing.T) {
	t.Parallel()
	f, ctx := setUp(t)
	want := &v2.Cors{
		AllowOrigins: []string{"https://app.example.com", "http://*", "http://localhost:3000"}, AllowMethods: []string{"GET", "*"}, AllowHeaders: []string{"x-a"},
		ExposeHeaders: []string{"*"}, AllowCredentials: aws.Bool(true), MaxAge: aws.Int32(0),
	}
	made := must(f.CreateApi(ctx, &apigatewayv2.CreateApiInput{Name: aws.String("x"), ProtocolType: v2.ProtocolTypeHttp, Target: aws.String(lambda), CorsConfiguration: want}))(t)
	id := made.ApiId
	if got := must(f.GetApi(ctx, &apigatewayv2.GetApiInput{ApiId: id}))(t).CorsConfiguration; !reflect.DeepEqual(got, want) || !reflect.DeepEqual(made.CorsConfiguration, want) {
		t.Errorf("created %+v, read %+v, want %+v", made.CorsConfiguration, got, want)
	}
	served := func() []string {
		t.Helper()
		_, apis, _, err := f.Compile(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if c := apis[*id].Stages["$default"].CORS; c != nil {
			return c.Origins
		}
		return nil
	}
	if got := served(); !reflect.DeepEqual(got, want.AllowOrigins) {
		t.Errorf("served %v", got)
	}
	// Another description leaves it; another configuration replaces all of it; each is deployed.
	must(f.UpdateApi(ctx, &apigatewayv2.UpdateApiInput{ApiId: id, Description: aws.String("d")}))(t)
	updated := must(f.UpdateApi(ctx, &apigatewayv2.UpdateApiInput{ApiId: id, CorsConfiguration: &v2.Cors{AllowOrigins: []string{"*"}}}))(t)
	if got := served(); !reflect.DeepEqual(got, []string{"*"}) || updated.CorsConfiguration.AllowMethods != nil || updated.CorsConfiguration.MaxAge != nil {
		t.Errorf("served %v, %+v", got, updated.CorsConfiguration)
	}
	must(f.DeleteCorsConfiguration(ctx, &apigatewayv2.DeleteCorsConfigurationInput{ApiId: id}))(t)
	if got := must(f.GetApi(ctx, &apigatewayv2.GetApiInput{ApiId: id}))(t).CorsConfiguration; got != nil || served() != nil {
		t.Errorf("after it was deleted: %+v, served %v", got, served())
	}
	for text, c := range map[string]v2.Cors{
		"allow-credentials is not supported": {AllowOrigins: []string{"*"}, AllowCredentials: aws.Bool(true)},
		`"https://*.example.com"`:            {AllowOrigins: []string{"https://*.example.com"}},
		`"example.com"`:                      {AllowOrigins: []string{"example.com"}},
		`"https://example.com/"`:             {AllowOrigins: []string{"https://example.com/"}},
		`"https://u@example.com"`:            {AllowOrigins: []string{"https://u@example.com"}},
		`"https://a\r\nx: y"`:                {AllowOrigins: []string{"https://a\r\nx: y"}},
		`"get"`:                              {AllowMethods: []string{"get"}},
		`"ANY"`:                              {AllowMethods: []string{"ANY"}},
		`"x a"`:                              {AllowHeaders: []string{"x a"}},
		`"x-*"`:                              {ExposeHeaders: []string{"x-*"}},
		"Invalid value 86401":                {MaxAge: aws.Int32(86401)},
		"Invalid value -2":                   {MaxAge: aws.Int32(-2)},
		"Too many allowHeaders":              {AllowHeaders: make([]string, 101)},
	} {
		_, err := f.UpdateApi(ctx, &apigatewayv2.UpdateApiInput{ApiId: id, CorsConfiguration: &c})
		wantError(t, err, "BadRequestException", text)
	}
	_, err := f.DeleteCorsConfiguration(ctx, &apigatewayv2.DeleteCorsConfigurationInput{ApiId: aws.String("none")})
	wantError(t, err, "NotFoundException", "none")
}
