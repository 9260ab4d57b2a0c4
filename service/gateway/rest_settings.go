package gateway

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"

	"countersign/edge/snapshot"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway/types"
)

// methodSettings are what a stage says of one method, or of all of them.
type methodSettings struct {
	Key string // as given: "*/*", "~1pets~1{id}/GET"
	routeSettings
}

const everyMethod = "*/*"

// method takes the key apart: "/pets/{id}" and "GET".
func (m methodSettings) method() (path, method string) {
	n := strings.LastIndexByte(m.Key, '/')
	path, method = m.Key[:max(n, 0)], m.Key[n+1:]
	return "/" + strings.TrimPrefix(strings.NewReplacer("~1", "/", "~0", "~").Replace(path), "/"), method
}

// throttle is what holds for a method of a resource: its own settings, else those of all; nil: nothing.
func (g *restStage) throttle(path, method string) *snapshot.Throttle {
	var own, defaults routeSettings
	for _, m := range g.Settings {
		of, name := m.method()
		switch {
		case m.Key == everyMethod:
			defaults = m.routeSettings
		case of == path && name == method:
			own = m.routeSettings
		}
	}
	return own.throttle(defaults)
}

// settingOff are the settings that this version does not build, by what leaves each off.
var settingOff = map[string]string{
	"metrics/enabled": "false", "logging/loglevel": "OFF", "logging/dataTrace": "false", "caching/enabled": "false", "caching/dataEncrypted": "false",
	"caching/ttlInSeconds": "300", "caching/requireAuthorizationForCacheControl": "true",
	"caching/unauthorizedCacheControlHeaderStrategy": string(types.UnauthorizedCacheControlHeaderStrategySucceedWithResponseHeader),
}

// applySettings carries out the operations that are about methods, /{resourcePath}/{httpMethod}/throttling/rateLimit
// and its like, and gives back the others. "remove" of /{resourcePath}/{httpMethod} takes all settings of a method away.
func (g *restStage) applySettings(operations []types.PatchOperation) (others []types.PatchOperation, err error) {
	for _, o := range operations {
		path := strings.TrimPrefix(aws.ToString(o.Path), "/")
		parts := strings.Split(path, "/")
		n := len(parts)
		if o.Op == types.OpRemove && n >= 2 && g.setting(path) >= 0 {
			g.Settings = slices.Delete(g.Settings, g.setting(path), g.setting(path)+1)
			continue
		}
		setting := ""
		if n >= 4 {
			setting = parts[n-2] + "/" + parts[n-1]
		}
		off, unbuilt := settingOff[setting]
		if setting != "throttling/rateLimit" && setting != "throttling/burstLimit" && !unbuilt {
			others = append(others, o)
			continue
		}
		if o.Op != types.OpReplace && o.Op != types.OpRemove {
			return nil, badRequest("Invalid patch operation specified. Must be one of: [%s, %s]", types.OpReplace, types.OpRemove)
		}
		m := methodSettings{Key: strings.Join(parts[:n-2], "/")}
		if at := g.setting(m.Key); at >= 0 {
			m = g.Settings[at]
		}
		if err := m.set(o, setting, off, unbuilt); err != nil {
			return nil, err
		}
		if at := g.setting(m.Key); at >= 0 {
			g.Settings[at] = m
			continue
		}
		if _, method := m.method(); m.Key != everyMethod && !methods[method] {
			return nil, badRequest("Invalid method setting path: %s", aws.ToString(o.Path))
		}
		g.Settings = append(g.Settings, m)
		slices.SortFunc(g.Settings, func(x, y methodSettings) int { return cmp.Compare(x.Key, y.Key) })
	}
	return others, nil
}

func (g *restStage) setting(key string) int {
	return slices.IndexFunc(g.Settings, func(m methodSettings) bool { return m.Key == key })
}

func (m *methodSettings) set(o types.PatchOperation, setting, off string, unbuilt bool) error {
	value := aws.ToString(o.Value)
	remove := o.Op == types.OpRemove
	switch {
	case unbuilt:
		if !remove && !strings.EqualFold(value, off) {
			return notBuilt("the method setting " + setting)
		}
		return nil
	case setting == "throttling/burstLimit":
		m.Burst = nil
		if remove {
			return nil
		}
		var burst int32
		if err := number(&burst, setting, value); err != nil {
			return err
		}
		if burst != -1 { // which takes the limit away
			m.Burst = &burst
		}
		if burst < -1 {
			return badRequest("Invalid value %d for %s: it cannot be negative", burst, setting)
		}
		return nil
	}
	m.Rate = nil
	if remove {
		return nil
	}
	rate, err := strconv.ParseFloat(value, 64)
	if err != nil || !(rate >= 0 && rate <= math.MaxInt32) && rate != -1 {
		return badRequest("Invalid value %q for %s: give 0 to %d requests per second", value, setting, math.MaxInt32)
	}
	if rate != -1 {
		m.Rate = &rate
	}
	return nil
}

// number reads a whole number of a patch operation.
func number(into *int32, what, value string) error {
	n, err := strconv.ParseInt(value, 10, 32)
	if err != nil {
		return badRequest("Invalid value %q for %s: it is not a whole number", value, what)
	}
	*into = int32(n)
	return nil
}

func (m methodSettings) sdk() types.MethodSetting {
	out := types.MethodSetting{
		LoggingLevel: aws.String("OFF"), CacheTtlInSeconds: 300, RequireAuthorizationForCacheControl: true,
		ThrottlingBurstLimit: accountBurst, ThrottlingRateLimit: accountRate,
		UnauthorizedCacheControlHeaderStrategy: types.UnauthorizedCacheControlHeaderStrategySucceedWithResponseHeader,
	}
	set(&out.ThrottlingBurstLimit, m.Burst)
	set(&out.ThrottlingRateLimit, m.Rate)
	return out
}
