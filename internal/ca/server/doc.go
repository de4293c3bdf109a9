// Package server answers Istio's certificate service
// (istio.v1.auth.IstioCertificateService) over gRPC: in comes a signing request
// of an authenticated caller, out comes a certificate for that caller and for
// nobody else, with the roots to trust. It decides nothing about who is
// calling, and keeps nothing.
package server
