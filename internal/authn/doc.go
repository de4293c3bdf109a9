// Package authn says who is calling: in come a gRPC call or an HTTP request
// with a client certificate or a ServiceAccount token, out comes a Caller or a
// refusal. It asks the API server about tokens and rights, and knows neither
// what is signed nor what is pushed.
package authn
