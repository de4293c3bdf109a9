// Command bundle writes the bundle for OLM and OperatorHub into bundle/: from
// the operator's chart, the CRDs, the catalogue of versions and the samples, so
// that nothing is written twice. With -check it writes nothing and says instead
// what in bundle/ is out of date, and what the catalogues would refuse.
package main
