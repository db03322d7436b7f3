impl ::es_core::__private::EventSet for LibraryEvent {
    const CATEGORIES: &'static [&'static str] = {
        const COUNT: usize = {
            let mut count = 0;
            {
                count += <BookEvent as ::es_core::__private::EventSet>::CATEGORIES.len();
            }
            {
                count
                    += <crate::members::MemberEvent as ::es_core::__private::EventSet>::CATEGORIES
                        .len();
            }
            #[cfg(feature = "loans")]
            {
                count += <LoanEvent as ::es_core::__private::EventSet>::CATEGORIES.len();
            }
            count
        };
        &::es_core::__private::all_categories::<
            COUNT,
        >(
            &[
                <BookEvent as ::es_core::__private::EventSet>::CATEGORIES,
                <crate::members::MemberEvent as ::es_core::__private::EventSet>::CATEGORIES,
                #[cfg(feature = "loans")]
                <LoanEvent as ::es_core::__private::EventSet>::CATEGORIES,
            ],
        )
    };
    fn decode(
        record: &::es_core::__private::Record,
    ) -> ::es_core::__private::Result<Self, ::es_core::__private::DecodeError> {
        if ::es_core::__private::is_one_of(
            <BookEvent as ::es_core::__private::EventSet>::CATEGORIES,
            record,
        ) {
            return ::es_core::__private::Result::map(
                <BookEvent as ::es_core::__private::EventSet>::decode(record),
                Self::Book,
            );
        }
        if ::es_core::__private::is_one_of(
            <crate::members::MemberEvent as ::es_core::__private::EventSet>::CATEGORIES,
            record,
        ) {
            return ::es_core::__private::Result::map(
                <crate::members::MemberEvent as ::es_core::__private::EventSet>::decode(
                    record,
                ),
                Self::Member,
            );
        }
        #[cfg(feature = "loans")]
        if ::es_core::__private::is_one_of(
            <LoanEvent as ::es_core::__private::EventSet>::CATEGORIES,
            record,
        ) {
            return ::es_core::__private::Result::map(
                <LoanEvent as ::es_core::__private::EventSet>::decode(record),
                Self::Loan,
            );
        }
        ::es_core::__private::Result::Err(::es_core::__private::not_in_the_set(record))
    }
}
